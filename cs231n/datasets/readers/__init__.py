"""Read the files of the data sets, and mistrust them."""
