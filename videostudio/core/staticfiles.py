"""Static files with a hash of their content in the name, once they have been collected."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedStaticFiles(CompressedManifestStaticFilesStorage):
    """Without collected files there is no manifest, and the names have no hash.

    WhiteNoise then serves the packages' files directly (WHITENOISE_USE_FINDERS).
    """

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
