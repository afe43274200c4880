"""Learning the cascade from a folder of scans, virtual populations to learn from, and how alike populations are."""
