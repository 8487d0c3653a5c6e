"""Logs in the manner of Kafka: what was sent stands at an offset, and every consumer reads it in that order.

The names of the anomalies are those of Jepsen's kafka workload (jepsen.tests.kafka).

Rooms:

* `messages`   a history -> what every operation sent and polled, key by key;
* `orders`     offsets -> the order of each key's messages, and where offsets contradict one another;
* `anomalies`  one function for each anomaly;
* `checker`    which of them convict, and the verdict.
"""
