"""How the signals of each shipped modality are assessed, module by module as in `signals`."""
