"""Vector and word indexes, the follower that keeps them at the log, fusion, rerank: permitted passages, best first."""
