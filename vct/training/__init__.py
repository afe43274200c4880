"""Learning the cascade's weights from a folder of scans."""
