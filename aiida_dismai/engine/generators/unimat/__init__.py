"""UniMat: diffusion of videos whose frames are atoms; a pixel of a frame stands for an element."""
