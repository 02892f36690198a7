"""What happens to a module of kernels before it is printed: named structured operations become `linalg.generic`."""

PASSES = "builtin.module(linalg-generalize-named-ops,cse)"
