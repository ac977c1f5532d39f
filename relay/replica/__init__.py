"""Many shards in one process: those of the partitions that Kafka gives to this replica, and reads of all the others."""
