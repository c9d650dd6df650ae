// RocksDB's own backup tools as a peer: what they do, timed inside the process, so that neither the start of the
// process nor the opening of the database counts against them. Prints one JSON object.
//
//   engine backup     DB REPOSITORY THREADS
//   engine verify     REPOSITORY ID THREADS
//   engine restore    REPOSITORY ID TARGET THREADS
//   engine checkpoint DB TARGET
//   engine fill       DB FILES FIRST       many table files of a few hundred bytes, by ingestion
//
// Built by bench/peers/engine.py against librocksdb 7.8 or newer.

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/utilities/backup_engine.h>
#include <rocksdb/utilities/checkpoint.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void Check(const rocksdb::Status& status, const char* what) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
    std::exit(1);
  }
}

int Number(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0) {
    std::fprintf(stderr, "not a number: %s\n", text);
    std::exit(2);
  }
  return static_cast<int>(value);
}

// "opening" is the database or the engine, "seconds" the operation alone.
void Print(double opening, double seconds, long long id) {
  std::printf("{\"opening\": %.6f, \"seconds\": %.6f, \"id\": %lld}\n", opening, seconds, id);
}

rocksdb::Options DatabaseOptions() {
  rocksdb::Options options;
  options.disable_auto_compactions = true;
  options.max_open_files = 256;  // opening a database of 100,000 files must not open them all
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  options.avoid_flush_during_recovery = true;
  options.level0_slowdown_writes_trigger = options.level0_stop_writes_trigger = 1 << 30;
  return options;
}

// BackupEngine and Checkpoint stop file deletions, which a read-only instance refuses: read-write it is.
std::unique_ptr<rocksdb::DB> OpenDatabase(const std::string& path, rocksdb::Options options) {
  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(options, path, &names).ok()) {
    options.create_if_missing = true;
    names = {rocksdb::kDefaultColumnFamilyName};
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& name : names) {
    families.emplace_back(name, options);
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  Check(rocksdb::DB::Open(options, path, families, &handles, &db), "open the database");
  for (auto* handle : handles) {
    Check(db->DestroyColumnFamilyHandle(handle), "close a family");
  }
  return std::unique_ptr<rocksdb::DB>(db);
}

// The engine's defaults (schema 1, sync on, names with session ids), as walrus-node uses it; only threads vary.
rocksdb::BackupEngineOptions EngineOptions(const std::string& path, int threads) {
  rocksdb::BackupEngineOptions options(path);
  options.max_background_operations = threads;
  return options;
}

void Backup(const std::string& database, const std::string& repository, int threads) {
  auto start = Clock::now();
  auto db = OpenDatabase(database, DatabaseOptions());
  rocksdb::BackupEngine* opened = nullptr;
  Check(rocksdb::BackupEngine::Open(rocksdb::Env::Default(), EngineOptions(repository, threads), &opened), "open");
  std::unique_ptr<rocksdb::BackupEngine> engine(opened);
  const double opening = Since(start);
  rocksdb::BackupID id = 0;
  start = Clock::now();
  Check(engine->CreateNewBackup(rocksdb::CreateBackupOptions(), db.get(), &id), "backup");
  Print(opening, Since(start), id);
}

std::unique_ptr<rocksdb::BackupEngineReadOnly> OpenReadOnly(const std::string& repository, int threads) {
  rocksdb::BackupEngineReadOnly* opened = nullptr;
  const auto options = EngineOptions(repository, threads);
  Check(rocksdb::BackupEngineReadOnly::Open(rocksdb::Env::Default(), options, &opened), "open");
  return std::unique_ptr<rocksdb::BackupEngineReadOnly>(opened);
}

void Verify(const std::string& repository, int id, int threads) {
  auto start = Clock::now();
  auto engine = OpenReadOnly(repository, threads);
  const double opening = Since(start);
  start = Clock::now();
  Check(engine->VerifyBackup(static_cast<rocksdb::BackupID>(id), /*verify_with_checksum=*/true), "verify");
  Print(opening, Since(start), id);
}

void Restore(const std::string& repository, int id, const std::string& target, int threads) {
  auto start = Clock::now();
  auto engine = OpenReadOnly(repository, threads);
  const double opening = Since(start);
  start = Clock::now();
  Check(engine->RestoreDBFromBackup(static_cast<rocksdb::BackupID>(id), target, target), "restore");
  Print(opening, Since(start), id);
}

void Checkpoint(const std::string& database, const std::string& target) {
  auto start = Clock::now();
  auto db = OpenDatabase(database, DatabaseOptions());
  rocksdb::Checkpoint* made = nullptr;
  Check(rocksdb::Checkpoint::Create(db.get(), &made), "checkpoint");
  std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  const double opening = Since(start);
  start = Clock::now();
  Check(checkpoint->CreateCheckpoint(target), "checkpoint");
  Print(opening, Since(start), 0);
}

// Building a database of 100,000 files must not wait for 100,000 fsyncs.
class UnsyncedFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using rocksdb::FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
};

class UnsyncedFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using rocksdb::FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "Unsynced"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    return Wrapped(FileSystemWrapper::NewWritableFile(path, options, file, debug), file);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override {
    return Wrapped(FileSystemWrapper::ReopenWritableFile(path, options, file, debug), file);
  }

 private:
  static rocksdb::IOStatus Wrapped(rocksdb::IOStatus status, std::unique_ptr<rocksdb::FSWritableFile>* file) {
    if (status.ok()) {
      *file = std::make_unique<UnsyncedFile>(std::move(*file));
    }
    return status;
  }
};

// Files FIRST .. FIRST + FILES - 1, one key each, without overlap: they all go to the last level.
void Fill(const std::string& database, int files, int first) {
  const auto start = Clock::now();
  auto env = rocksdb::NewCompositeEnv(std::make_shared<UnsyncedFileSystem>(rocksdb::FileSystem::Default()));
  auto options = DatabaseOptions();
  options.env = env.get();
  auto db = OpenDatabase(database, options);
  constexpr int kBatch = 5000;
  for (int done = 0; done < files;) {
    std::vector<std::string> paths;
    for (; done < files && paths.size() < kBatch; ++done) {
      char key[16];
      std::snprintf(key, sizeof key, "%010d", first + done);
      paths.push_back(database + "/incoming-" + key);
      rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
      Check(writer.Open(paths.back()), "create a table");
      Check(writer.Put(key, std::string(100, 'v')), "write a table");
      Check(writer.Finish(), "finish a table");
    }
    rocksdb::IngestExternalFileOptions ingestion;
    ingestion.move_files = true;
    ingestion.snapshot_consistency = false;
    Check(db->IngestExternalFile(paths, ingestion), "ingest");
  }
  Print(0, Since(start), files);
  Check(db->Close(), "close");
}

}  // namespace

int main(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  if (command == "backup" && count == 5) {
    Backup(words[2], words[3], Number(words[4]));
  } else if (command == "verify" && count == 5) {
    Verify(words[2], Number(words[3]), Number(words[4]));
  } else if (command == "restore" && count == 6) {
    Restore(words[2], Number(words[3]), words[4], Number(words[5]));
  } else if (command == "checkpoint" && count == 4) {
    Checkpoint(words[2], words[3]);
  } else if (command == "fill" && count == 5) {
    Fill(words[2], Number(words[3]), Number(words[4]));
  } else {
    std::fprintf(stderr, "engine backup|verify|restore|checkpoint|fill ...: see the head of engine.cc\n");
    return 2;
  }
  return 0;
}
