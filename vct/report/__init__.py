"""The report of a trial: one HTML page, a Markdown summary and every table as CSV. It prints results, it makes none."""

from vct.report.files import write
from vct.report.images import MipImage, mip_png, pictures_in

__all__ = ["MipImage", "mip_png", "pictures_in", "write"]
