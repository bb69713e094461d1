from fanfold.store.memory import MemoryStore
from fanfold.testing.archives import ArchiveConformance
from fanfold.testing.stores import StoreConformance


class TestMemoryStore(StoreConformance, ArchiveConformance):
    def make(self) -> MemoryStore:
        return MemoryStore()
