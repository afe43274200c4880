"""The cascaded diffusion engine: who the patient is goes in, a PET/CT comes out.

Shapes are written as suffixes: B batch, C channel, X Y Z voxels along right, anterior, superior (RAS+).
"""
