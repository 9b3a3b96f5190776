print("hvrootd")
