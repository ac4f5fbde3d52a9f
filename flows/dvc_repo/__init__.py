"""What the flows know of DVC's repository: its graph, one stage run by it, and the files that it keeps.

Not called `dvc`: Prefect puts the folder of a flow's file on the path, and DVC would be found here.
"""
