// The header is all there is: the function is in the toolchain.
