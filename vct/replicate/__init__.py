"""The same trial many times: operating characteristics, each with its Monte Carlo standard error."""
