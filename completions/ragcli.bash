# Completion of ragcli; made by 'ragcli completion bash'.
_ragcli_tables() {
  local i db=${RAGCLI_DB:-.ragcli}
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    case ${COMP_WORDS[i]} in -d|--db) db=${COMP_WORDS[i+1]} ;; esac
  done
  local table
  for table in "$db"/*.lance; do [ -e "$table" ] && table=${table##*/} && echo "${table%.lance}"; done
}

_ragcli() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'download gpu-check load split embed index run query ask chat eval diagnose questions finetune table --help --version' -- "$cur"))
    return
  fi
  local command=${COMP_WORDS[1]}
  case $command in
    table)
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W 'list info versions optimize delete tag restore export import copy --help' -- "$cur"))
        return
      fi
      command="table ${COMP_WORDS[2]}" ;;
  esac
  case $command in
    'download')
      case $prev in
        --source) COMPREPLY=($(compgen -W "auto hf modelscope built-in" -- "$cur")); return ;;
        --revision) return ;;
        --include) return ;;
        --exclude) return ;;
        --local-dir) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cache-dir) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --max-workers) return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--source --revision --include --exclude --all --local-dir --cache-dir --max-workers --dry-run --offline --verify --list --remove --quiet -q --format --help' ;;
    'gpu-check')
      case $prev in
        --task) COMPREPLY=($(compgen -W "infer lora qlora full embed" -- "$cur")); return ;;
        --precision) COMPREPLY=($(compgen -W "auto bf16 int8 int4" -- "$cur")); return ;;
        --context) return ;;
        --batch) return ;;
        --gpus) return ;;
        --gpu-memory) return ;;
        --sharding) COMPREPLY=($(compgen -W "auto none fsdp zero3 pipeline tensor" -- "$cur")); return ;;
        --rank) return ;;
        --prefill) return ;;
        --source) COMPREPLY=($(compgen -W "auto hf modelscope built-in" -- "$cur")); return ;;
        --revision) return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--task --precision --context --batch --gpus --gpu-memory --sharding --rank --prefill --source --revision --quiet -q --format --help' ;;
    'load')
      case $prev in
        --include) return ;;
        --exclude) return ;;
        --new-to) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --encoding) return ;;
        --text-field) return ;;
        --id-field) return ;;
        --title-field) return ;;
        --ocr) COMPREPLY=($(compgen -W "auto always never" -- "$cur")); return ;;
        --password) return ;;
        --reader) return ;;
        --reader-options) return ;;
        --reader-load) return ;;
        --jobs|-j) return ;;
        --timeout) return ;;
        --max-bytes) return ;;
        --max-memory) return ;;
        --engine) return ;;
        --address) return ;;
        --preview) return ;;
        --errors) return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--include --exclude --gitignore --no-gitignore --hidden --follow-links --new-to --db -d --encoding --text-field --id-field --title-field --ocr --password --keep-headers --reader --reader-options --reader-load --jobs -j --timeout --max-bytes --max-memory --null -0 --engine --address --preview --errors --report --format --quiet -q --help' ;;
    'split')
      case $prev in
        --size) return ;;
        --overlap) return ;;
        --unit) COMPREPLY=($(compgen -W "chars tokens" -- "$cur")); return ;;
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --splitter) return ;;
        --splitter-options) return ;;
        --engine) return ;;
        --address) return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--size --overlap --unit --model -m --splitter --splitter-options --engine --address --report --skip-bad --format --help' ;;
    'embed')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --prune) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --index) return ;;
        --keep-versions) return ;;
        --engine) return ;;
        --address) return ;;
        --workers) return ;;
        --rows) return ;;
        --records) return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--table -t --db -d --model -m --device --headings --no-headings --prune --again --index --keep-versions --engine --address --workers --rows --records --report --skip-bad --quiet -q --help' ;;
    'index')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --include) return ;;
        --exclude) return ;;
        --encoding) return ;;
        --text-field) return ;;
        --id-field) return ;;
        --title-field) return ;;
        --ocr) COMPREPLY=($(compgen -W "auto always never" -- "$cur")); return ;;
        --password) return ;;
        --reader) return ;;
        --reader-options) return ;;
        --reader-load) return ;;
        --jobs|-j) return ;;
        --timeout) return ;;
        --max-bytes) return ;;
        --max-memory) return ;;
        --size) return ;;
        --overlap) return ;;
        --unit) COMPREPLY=($(compgen -W "chars tokens" -- "$cur")); return ;;
        --splitter) return ;;
        --splitter-options) return ;;
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --index) return ;;
        --keep-versions) return ;;
        --engine) return ;;
        --address) return ;;
        --workers) return ;;
        --rows) return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--table -t --db -d --include --exclude --gitignore --no-gitignore --hidden --follow-links --encoding --text-field --id-field --title-field --ocr --password --keep-headers --reader --reader-options --reader-load --jobs -j --timeout --max-bytes --max-memory --null -0 --size --overlap --unit --splitter --splitter-options --model -m --device --headings --no-headings --again --index --keep-versions --prune --no-prune --engine --address --workers --rows --dry-run --report --quiet -q --help' ;;
    'run')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --include) return ;;
        --exclude) return ;;
        --encoding) return ;;
        --text-field) return ;;
        --id-field) return ;;
        --title-field) return ;;
        --ocr) COMPREPLY=($(compgen -W "auto always never" -- "$cur")); return ;;
        --password) return ;;
        --reader) return ;;
        --reader-options) return ;;
        --reader-load) return ;;
        --jobs|-j) return ;;
        --timeout) return ;;
        --max-bytes) return ;;
        --max-memory) return ;;
        --size) return ;;
        --overlap) return ;;
        --unit) COMPREPLY=($(compgen -W "chars tokens" -- "$cur")); return ;;
        --splitter) return ;;
        --splitter-options) return ;;
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --index) return ;;
        --keep-versions) return ;;
        --engine) return ;;
        --address) return ;;
        --workers) return ;;
        --rows) return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--table -t --db -d --include --exclude --gitignore --no-gitignore --hidden --follow-links --encoding --text-field --id-field --title-field --ocr --password --keep-headers --reader --reader-options --reader-load --jobs -j --timeout --max-bytes --max-memory --null -0 --size --overlap --unit --splitter --splitter-options --model -m --device --headings --no-headings --again --index --keep-versions --prune --no-prune --engine --address --workers --rows --dry-run --report --quiet -q --help' ;;
    'query')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --mode) COMPREPLY=($(compgen -W "hybrid vector text" -- "$cur")); return ;;
        -k|--top-k) return ;;
        --where) return ;;
        --expand) return ;;
        --rerank) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table trec" -- "$cur")); return ;;
      esac
      words='--table -t --db -d --mode -k --top-k --where --expand --rerank --explain --model -m --device --skip-bad --format --help' ;;
    'ask')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --model|-m|--llm) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --mode) COMPREPLY=($(compgen -W "hybrid vector text" -- "$cur")); return ;;
        -k|--top-k) return ;;
        --where) return ;;
        --expand) return ;;
        --rerank) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --embed-model) return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --model-options) return ;;
        --adapter) return ;;
        --quantize) COMPREPLY=($(compgen -W "int8 int4" -- "$cur")); return ;;
        --window) return ;;
        --timeout) return ;;
        --concurrency) return ;;
        --temperature) return ;;
        --seed) return ;;
        --max-tokens) return ;;
        --stop) return ;;
        --system) return ;;
        --template) return ;;
        --verify) return ;;
        --resume) return ;;
        --save-sft) return ;;
        --calibrate) return ;;
        --tools) return ;;
        --mcp) return ;;
        --allow) return ;;
        --tool-timeout) return ;;
        --max-steps) return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--table -t --db -d --model -m --llm --mode -k --top-k --where --expand --rerank --embed-model --device --model-options --adapter --quantize --window --timeout --concurrency --temperature --seed --max-tokens --stop --system --template --show-prompt --verify --strict --resume --save-sft --calibrate --tools --mcp --agent --yes -y --allow --tool-timeout --max-steps --skip-bad --format --help' ;;
    'chat')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --model|-m|--llm) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --mode) COMPREPLY=($(compgen -W "hybrid vector text" -- "$cur")); return ;;
        -k|--top-k) return ;;
        --where) return ;;
        --expand) return ;;
        --rerank) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --embed-model) return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --model-options) return ;;
        --adapter) return ;;
        --quantize) COMPREPLY=($(compgen -W "int8 int4" -- "$cur")); return ;;
        --window) return ;;
        --timeout) return ;;
        --temperature) return ;;
        --seed) return ;;
        --max-tokens) return ;;
        --stop) return ;;
        --system) return ;;
        --template) return ;;
        --persona) return ;;
        --verify) return ;;
        --tools) return ;;
        --mcp) return ;;
        --allow) return ;;
        --tool-timeout) return ;;
        --max-steps) return ;;
        --conversation) return ;;
      esac
      words='--table -t --db -d --model -m --llm --mode -k --top-k --where --expand --rerank --embed-model --device --model-options --adapter --quantize --window --timeout --temperature --seed --max-tokens --stop --system --template --persona --verify --tools --mcp --agent --yes -y --allow --tool-timeout --max-steps --continue -c --conversation --private --jsonl --help' ;;
    'eval')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --queries) return ;;
        --qrels) return ;;
        --measures|-M) return ;;
        --level) COMPREPLY=($(compgen -W "document chunk" -- "$cur")); return ;;
        --mode) COMPREPLY=($(compgen -W "hybrid vector text" -- "$cur")); return ;;
        --depth) return ;;
        --where) return ;;
        --rerank) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --fail-under) return ;;
        --baseline) return ;;
        --run) return ;;
        --per-query) return ;;
        --html) return ;;
        --compare) return ;;
        --work) return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--table -t --db -d --queries --qrels --measures -M --level --mode --depth --where --rerank --model -m --device --fail-under --baseline --run --per-query --html --compare --work --skip-bad --format --help' ;;
    'diagnose')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --question) return ;;
        --answer) return ;;
        --source) return ;;
        --docs) return ;;
        --root) return ;;
        --model|-m|--llm) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --mode) COMPREPLY=($(compgen -W "hybrid vector text" -- "$cur")); return ;;
        -k|--top-k) return ;;
        --where) return ;;
        --expand) return ;;
        --rerank) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --embed-model) return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --model-options) return ;;
        --adapter) return ;;
        --quantize) COMPREPLY=($(compgen -W "int8 int4" -- "$cur")); return ;;
        --window) return ;;
        --timeout) return ;;
        --concurrency) return ;;
        --temperature) return ;;
        --seed) return ;;
        --max-tokens) return ;;
        --system) return ;;
        --template) return ;;
        --sample) return ;;
        --html) return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--table -t --db -d --question --answer --source --docs --root --model -m --llm --mode -k --top-k --where --expand --rerank --embed-model --device --model-options --adapter --quantize --window --timeout --concurrency --temperature --seed --max-tokens --system --template --tries --no-tries --check --mend --sample --html --skip-bad --format --help' ;;
    'questions')
      case $prev in
        --table|-t) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -n|--count) return ;;
        --unanswerable) return ;;
        --model|-m|--llm) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --kind) COMPREPLY=($(compgen -W "model heading cloze" -- "$cur")); return ;;
        --where) return ;;
        --seed) return ;;
        --test) return ;;
        --test-out) return ;;
        -k|--top-k) return ;;
        --mode) COMPREPLY=($(compgen -W "hybrid vector text" -- "$cur")); return ;;
        --keep-dropped) return ;;
        --resume) return ;;
        --embed-model) return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --model-options) return ;;
        --adapter) return ;;
        --quantize) COMPREPLY=($(compgen -W "int8 int4" -- "$cur")); return ;;
        --window) return ;;
        --timeout) return ;;
        --concurrency) return ;;
        --temperature) return ;;
        --max-tokens) return ;;
        --stop) return ;;
        --template) return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--table -t --db -d -n --count --unanswerable --model -m --llm --kind --where --seed --test --test-out --no-filter -k --top-k --mode --keep-dropped --resume --embed-model --device --model-options --adapter --quantize --window --timeout --concurrency --temperature --max-tokens --stop --template --report --quiet -q --format --help' ;;
    'finetune')
      case $prev in
        --model|-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --data) return ;;
        --output|-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --task) COMPREPLY=($(compgen -W "auto chat text preference embedding reranker" -- "$cur")); return ;;
        --method) COMPREPLY=($(compgen -W "auto full lora qlora" -- "$cur")); return ;;
        --eval-data) return ;;
        --config) return ;;
        --epochs) return ;;
        --max-steps) return ;;
        --learning-rate|--lr) return ;;
        --schedule) COMPREPLY=($(compgen -W "cosine linear constant constant_with_warmup" -- "$cur")); return ;;
        --warmup) return ;;
        --weight-decay) return ;;
        --batch) return ;;
        --micro-batch) return ;;
        --length) return ;;
        --precision) COMPREPLY=($(compgen -W "auto bf16 fp16 fp32" -- "$cur")); return ;;
        --rank) return ;;
        --alpha) return ;;
        --dropout) return ;;
        --target) return ;;
        --neftune) return ;;
        --patience) return ;;
        --beta) return ;;
        --temperature) return ;;
        --mine-from) return ;;
        --negatives) return ;;
        --probe) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --gpus) return ;;
        --sharding) COMPREPLY=($(compgen -W "auto ddp fsdp zero3" -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$cur")); return ;;
        --log-steps) return ;;
        --eval-steps) return ;;
        --save-steps) return ;;
        --keep) return ;;
        --seed) return ;;
        --report-to) COMPREPLY=($(compgen -W "tensorboard wandb swanlab" -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--model -m --data --output -o --task --method --eval-data --config --dry-run --show-example --epochs --max-steps --learning-rate --lr --schedule --warmup --weight-decay --batch --micro-batch --length --packing --checkpointing --no-checkpointing --precision --rank --alpha --dropout --target --neftune --patience --beta --temperature --mine-from --negatives --probe --db -d --gpus --sharding --device --log-steps --eval-steps --save-steps --keep --seed --merge --strict --guard --no-guard --overwrite --trust-remote-code --report-to --skip-bad --quiet -q --format --help' ;;
    'table list')
      case $prev in
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--db -d --format --help' ;;
    'table info')
      case $prev in
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--db -d --format --help' ;;
    'table versions')
      case $prev in
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--db -d --format --help' ;;
    'table optimize')
      case $prev in
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --index) return ;;
        --keep-versions) return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--db -d --index --retrain --keep-versions --format --help' ;;
    'table delete')
      case $prev in
        --where) return ;;
        --keep-versions) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W "jsonl table" -- "$cur")); return ;;
      esac
      words='--where --dry-run --keep-versions --db -d --format --help' ;;
    'table tag')
      case $prev in
        --version) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--version --remove --db -d --help' ;;
    'table restore')
      case $prev in
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--db -d --help' ;;
    'table export')
      case $prev in
        --output|-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --where) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--output -o --where --db -d --help' ;;
    'table import')
      case $prev in
        --index) return ;;
        --keep-versions) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --report) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--index --keep-versions --db -d --report --skip-bad --quiet -q --help' ;;
    'table copy')
      case $prev in
        --to) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --as) return ;;
        --db|-d) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--to --as --db -d --help' ;;
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *)
      case $command in
        load|index|run)
          compopt -o filenames 2>/dev/null
          COMPREPLY=($(compgen -f -- "$cur")) ;;
        'table '*) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")) ;;
      esac ;;
  esac
}

complete -F _ragcli ragcli
