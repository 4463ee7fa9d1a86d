"""Indexes over one namespace: lexical (BM25), exact vectors, Chroma."""
