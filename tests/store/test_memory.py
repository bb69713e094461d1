from fanfold.store.memory import MemoryStore
from fanfold.testing.stores import StoreConformance


class TestMemoryStore(StoreConformance):
    def make(self) -> MemoryStore:
        return MemoryStore()
