"""Virtual clinical trials of FDG PET/CT."""

__version__ = "0.1.0"
