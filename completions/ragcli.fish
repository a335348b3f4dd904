# Completion of ragcli; made by 'ragcli completion fish'.
function __ragcli_tables
  set -l db .ragcli
  set -q RAGCLI_DB; and set db $RAGCLI_DB
  set -l words (commandline -opc)
  for i in (seq (count $words))
    if contains -- $words[$i] -d --db
      set db $words[(math $i + 1)]
    end
  end
  for table in $db/*.lance
    string replace -r '.*/' '' -- $table | string replace -r '\.lance$' ''
  end
end

complete -c ragcli -f
complete -c ragcli -n __fish_use_subcommand -a load -d 'Read files into document records'
complete -c ragcli -n __fish_use_subcommand -a split -d 'Cut documents into chunks, by structure first, then by sentence'
complete -c ragcli -n __fish_use_subcommand -a embed -d 'Embed chunks into a table'
complete -c ragcli -n __fish_use_subcommand -a query -d 'Search a table'
complete -c ragcli -n __fish_use_subcommand -a ask -d 'Answer questions from the documents, with the source of every sentence'
complete -c ragcli -n __fish_use_subcommand -l version -d 'Show the version'
complete -c ragcli -l help -s h -d 'Show the help'
complete -c ragcli -n '__fish_seen_subcommand_from load' -F
complete -c ragcli -n '__fish_seen_subcommand_from load' -l include -x -d 'Only these files of folders'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l exclude -x -d 'Not these files of folders'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l gitignore -l no-gitignore -d 'Leave out what .gitignore names'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l hidden -d 'Hidden files and folders too'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l encoding -x -d 'Of text files'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l text-field -x -d 'Of JSON, JSON Lines and CSV: the text'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l id-field -x -d 'The given id'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l title-field -x -d 'The title'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l null -s 0 -d 'Paths on stdin end with NUL, as from find -print0'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l report -r -F -d 'Write what came in, went out and was lost, as JSON'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l format -x -a 'jsonl table' -d 'jsonl for programs, table for people (default on a terminal)'
complete -c ragcli -n '__fish_seen_subcommand_from load' -l quiet -s q -d 'No progress and no summary on stderr'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l size -x -d 'Most a chunk may hold'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l overlap -x -d 'Most a chunk of running text repeats'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l unit -x -a 'chars tokens' -d 'Count characters, or tokens of the embedding model'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l model -s m -r -F -d 'Embedding model: a name, a folder, or openai:NAME. The built-in one by default'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l report -r -F -d 'Write what came in, went out and was lost, as JSON'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l skip-bad -d 'Go on past bad lines of stdin'
complete -c ragcli -n '__fish_seen_subcommand_from split' -l format -x -a 'jsonl table' -d 'jsonl for programs, table for people (default on a terminal)'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l table -s t -x -a '(__ragcli_tables)' -d 'Table in the database'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l db -s d -r -F -d 'Folder or URI of the LanceDB database'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l model -s m -r -F -d 'Embedding model: a name, a folder, or openai:NAME. The built-in one by default'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l device -x -a 'auto cpu cuda mps' -d 'Where the model runs'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l headings -l no-headings -d 'Embed title and headings before the text, or do not. As the table was made'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l prune -r -F -d 'Then remove chunks of files under ROOT that are gone'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l report -r -F -d 'Write what came in, went out and was lost, as JSON'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l skip-bad -d 'Go on past bad lines of stdin'
complete -c ragcli -n '__fish_seen_subcommand_from embed' -l quiet -s q -d 'No progress and no summary on stderr'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l table -s t -x -a '(__ragcli_tables)' -d 'Table in the database'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l db -s d -r -F -d 'Folder or URI of the LanceDB database'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l mode -x -a 'hybrid vector text' -d 'How to search'
complete -c ragcli -n '__fish_seen_subcommand_from query' -s k -l top-k -x -d 'Hits a question'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l where -x -d 'Only rows that meet this, as in "metadata.year >= 2020"'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l expand -x -d 'Join N neighbouring chunks on each side to a hit\'s text'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l rerank -r -F -d 'Order the first hits anew with a cross-encoder'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l explain -d 'Show rank, score and contribution of every stage, and the tokens'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l model -s m -r -F -d 'Embedding model: a name, a folder, or openai:NAME. The built-in one by default'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l device -x -a 'auto cpu cuda mps' -d 'Where the model runs'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l skip-bad -d 'Go on past bad lines of stdin'
complete -c ragcli -n '__fish_seen_subcommand_from query' -l format -x -a 'jsonl table trec' -d 'jsonl for programs, table for people, trec for trec_eval'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l table -s t -x -a '(__ragcli_tables)' -d 'Table in the database'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l db -s d -r -F -d 'Folder or URI of the LanceDB database'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l llm -x -d 'Who answers'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l mode -x -a 'hybrid vector text' -d 'How to search'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -s k -l top-k -x -d 'Hits a question'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l where -x -d 'Only rows that meet this, as in "metadata.year >= 2020"'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l expand -x -d 'Join N neighbouring chunks on each side to a hit\'s text'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l rerank -r -F -d 'Order the first hits anew with a cross-encoder'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l model -s m -r -F -d 'Embedding model: a name, a folder, or openai:NAME. The built-in one by default'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l device -x -a 'auto cpu cuda mps' -d 'Where the model runs'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l show-prompt -d 'Show what the answer would be made from, and answer nothing'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l skip-bad -d 'Go on past bad lines of stdin'
complete -c ragcli -n '__fish_seen_subcommand_from ask' -l format -x -a 'jsonl table' -d 'jsonl for programs, table for people (default on a terminal)'
