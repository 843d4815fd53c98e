//! Single decisions of a lane; `model` has the interleavings.
