"""Files in which tools keep histories: one room per format, and `catalogue`, which knows them all.

* `jsonl`: ours. `jepsen_edn`: Jepsen, Knossos, elle-cli. `jepsen_text`: ``history.txt`` and logs. `elle_json`: elle-cli; `unnamed` finds
  out who completes what where no process is named.
* `porcupine_kv`, `porcupine_json`: Porcupine's key-value logs and operations. `porcupine_viewer`: the data of its page, written only.
* `plume`, `awdit`, `dbcop`, `cobra`: transactions by session; `sessions` is what they share.
* `writers`: the formats that a history is written in.
* `edn` is the notation itself, `source` the open file that knows its line.
* `scanning` reads large files by `scanner`, which is compiled; `edn_scanned` and `jsonl` say how their lines look. `edn_lines` reads many
  transactions at once.

A reader is a function from a `Source` to an iterator of operations. It reads as it goes and refuses what it does not
understand with the number of the line.
"""
