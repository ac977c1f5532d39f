"""The ledger whose authority is a topic: one compacted partition, one owner, one transactional producer.

A SQLite file, the image, follows each partition and answers all reads. It is a copy that may be thrown away.
"""
