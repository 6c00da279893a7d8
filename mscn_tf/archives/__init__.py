"""Archives in many files: planned, encoded shard by shard, found again by an item's name."""
