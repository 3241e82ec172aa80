"""Download, unpack, check and list data sets."""
