"""A short run of tests/fuzz_loading.py: every loader meets broken files without a fault."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuzz_loading
from ragcli.loading.formats import FORMATS

EXAMPLES = 16  # of each format; tests/fuzz_loading.py runs as long as it is let
LEFT_OUT = ("encrypted", "msg", "epub", "ppt")  # no small real file; tests/fuzz_loading.py --seeds takes them


@pytest.mark.parametrize("row", [row.name for row in FORMATS if row.name not in LEFT_OUT])
def test_broken_files_end_well(row):
    files = fuzz_loading.seeds(row)
    assert files
    bench = fuzz_loading.Bench()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.sampled_from(range(len(files))), st.integers(0, 1 << 32))
    def broken(at, seed):
        name, data = files[at]
        assert not list(bench.faults(name, fuzz_loading.mutated(data, random.Random(seed)), row))

    try:
        broken()
    finally:
        bench.close()
    assert sum(bench.ends.values()) >= EXAMPLES
