"""Batch scoring: a dataset of any size, read as a stream, into one row per review of the table `scores`.

source ─► snapshot (Parquet shards) ─► score_shard, one or many at once ─► scores ─► collect: verified, Parquet, summary

A row's key is (model, batch, model version, review id), and writing a key again does nothing: whatever was killed,
the same command again brings the table to the same rows, and does not predict what is there.
"""
