print("hvroot-partition")
