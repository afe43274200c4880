"""What the cascade learns from and is judged by: populations of scans, their fidelity."""
