"""CalcJobs, one for each task of the engine, and the calcfunctions between them (in ``functions``)."""
