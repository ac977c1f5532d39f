"""Where events go. A sink takes one event and tells how it went; order, retries and limits are the shard's."""
