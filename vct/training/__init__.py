"""What the cascade learns from, how it learns, and how it is judged: populations of scans, training, fidelity."""
