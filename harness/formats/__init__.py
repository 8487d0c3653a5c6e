"""Files in which tools keep histories: one room per format, and `catalogue`, which knows them all.

* `jsonl`: ours. `jepsen_edn`: Jepsen, Knossos, elle-cli. `jepsen_text`: ``history.txt`` and logs. `elle_json`: elle-cli.
* `porcupine_kv`: Porcupine's key-value logs. `porcupine_viewer`: the data of its page, written only.
* `plume`, `awdit`: transactions by session; `sessions` is what they share.
* `edn` is the notation itself, `source` the open file that knows its line.

A reader is a function from a `Source` to an iterator of operations. It reads as it goes and refuses what it does not
understand with the number of the line.
"""
