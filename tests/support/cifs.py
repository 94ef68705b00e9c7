"""CIFs with a partial occupancy, which no generator may leave."""

_CELL = """data_x
_cell_length_a 5
_cell_length_b 5
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
"""
_SITES = """_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
PARTIAL = f"{_CELL}{_SITES}Si 0 0 0 0.5\n"
PARTIAL_LABELLED = f"{_CELL}_atom_site_label\n{_SITES}Na1 Na 0 0 0 0.5\nCl1 Cl 0.5 0.5 0.5 1\n"
