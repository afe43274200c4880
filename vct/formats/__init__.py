"""Standard formats in and out: NIfTI, DICOM and BIDS, with their traps handled or refused by name."""
