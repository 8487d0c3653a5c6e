"""Isolation of transactions, in the manner of Elle (Kingsbury & Alvaro 2020): anomalies with their explanation.

A transaction is a list of micro-operations, ``["append", key, element]``, ``["w", key, value]`` or ``["r", key, value]``.
From what the reads saw follows an order of each key's versions, from that a graph of dependencies; a cycle in it is an
anomaly, its kinds of edges are the anomaly's name, and names rule out consistency models. The rooms, in the order of a judgement:

* `transactions`: a history as columns of numbers, and the names behind the numbers; `reported`: numbers of versions that agree.
* `versions`: finds the write behind a (key, value), and groups micro-operations by (transaction, key).
* `list_append` (on `list_versions`), `rw_register`: version orders and dependencies, and the anomalies that need no cycle.
* `weak_lists`, `weak_registers`: models that are judged by what is visible to whom.
* `graph`: dependencies, process order and real time as edges, in linear size.
* `components`: sets aside whatever can be on no cycle; strongly connected components of the rest.
* `cycles`: the shortest cycle of every kind (`ways`: what makes a kind); `special`: cycles that deserve further names.
* `version_witness`: an order of all transactions that explains everything, where one is soon found; then nothing else is asked.
* `version_search` (on `version_choices`, from `version_guess` on): an order of versions for which a model holds, where the history leaves
  it open.
* `anomalies`: what was found, and its words: text, data, picture (`picture`).
* `lattice` (on the table `models`): which models forbid which anomaly, and what is ruled out.
* `judge`: all of it, as a `Verdict` and as a `Checker`.
"""
