"""Embeddings, indexes that follow the store, fusion and reranking."""
