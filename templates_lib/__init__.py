"""The app packages that come with the product: data only, one folder each. Sample records are written by ``tools/samples``."""
