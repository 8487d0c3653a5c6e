"""Linearizability at millions of operations: monitors where values are unambiguous, a search for the rest.

Operations come as columns of numbers (`calls`), not as objects; keys are judged apart (Herlihy & Wing 1990: linearizability
is local). The rooms:

* `judge`: the front; picks a monitor or the search for each key and says which.
* `zones`, `growing_set`, `counter`, `queue`, `stack`: monitors, log-linear or close to it, each right only where it says
  that it applies; `amounts` is what a counter does where amounts differ. `stages` is what they share, `containers`
  what the last two do.
* `sequential`, `search`: the models as one-threaded objects, and a plain search over them.
* `encoding`, `compiled`, `kernel`, `compiled_search`: the search at compiled speed, for what has one small state.
* `places`, `returns`, `sweep`, `by_sweep`: a sweep along the history, for registers and locks on which the search is lost.
* `vectors`, `vector_kernel`, `vector_search`, `vector_segments`: the same for registers that are seen and put several at once.
* `by_search`: one or the other, key by key.
* `certificate`, `verify`: an order of all operations, by which a valid verdict can be checked.
* `segments`, `windows`: few rows that no order explains, by which an invalid one can.
"""
