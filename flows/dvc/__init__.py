"""What the flows know of DVC: its graph, one stage run by it, and the files that it keeps."""
