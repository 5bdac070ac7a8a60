"""What `octavo demo` shows: handwritten digits in float and int8, and the speed of a few layers.

`octavo.demo.digits` quantizes and measures the network that the package ships; it needs
scikit-learn for the images. `octavo.demo.layers` times convolutions against NumPy.
"""
