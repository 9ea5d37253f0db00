"""Static files under names that hold a hash of their content, where they were collected."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedStaticFiles(CompressedManifestStaticFilesStorage):
    """Where nothing was collected there is no manifest, and files keep the names they have.

    Then WhiteNoise serves them from the packages, by the same rule (WHITENOISE_USE_FINDERS).
    """

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
