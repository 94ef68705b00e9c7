"""The task ``amorphous.measure``: measures of any set of structures, and which of them pass the gate."""
