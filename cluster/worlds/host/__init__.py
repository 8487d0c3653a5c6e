"""What a Linux host does for worlds of real machines: faults of networks, clocks, files and resources.

Worlds (docker, ssh, local) call these rooms; none of them knows a cluster. Each change of the host is
written down before it is made, so that a later start undoes what a killed harness left (`repairs`).
"""
