"""The CPU backend: kernels in device form become machine code that the C++ runtime's thread pool runs."""
