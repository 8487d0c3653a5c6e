"""One self-contained HTML page per run, and an index page of a store. Pure but for `reading`.

Rooms:

* `page`       `ReportData` in, HTML out: the one function most callers want;
* `reading`    the files of a run folder -> `ReportData`;
* `index_page` the runs of a store -> HTML;
* `night`      the plan and journal of a night -> its rows; `night_page` writes them down;
* `check_page` the results of ``reprise check`` -> HTML; `drawings` cycles and operations in time as SVG;
* `findings`   evidence -> cards, with what happened around each;
* `lanes`      trace -> what every replica was, when, and how far it had applied;
* `bands`      trace and nemesis operations -> faults as spans of time;
* `clocks`     nemesis operations -> how wrong each node's clocks were;
* `columns`    history -> columns of the latency and the operation chart;
* `phrases`    events and numbers in words;
* `assets/`    template, style and the drawing code; no third-party script, no request to anywhere.

Times handed to the page are microseconds since the start of the run: exact in a JavaScript number.
"""
