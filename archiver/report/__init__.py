"""The report for people who answer for the archive: facts gathered from the manifest, and one page made of them."""
