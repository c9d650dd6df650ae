// RocksDB's BackupEngine with the options that `ldb` does not offer, for tests. Prints one line for each backup:
// id, number of files, application metadata in hexadecimal ("-" without any); or "id corrupt".
//
//   engine backup  REPOSITORY DB [share=none|plain|checksum] [naming=legacy|session|default] [schema=2] [wals=0]
//                  [metadata=TEXT]
//   engine list    REPOSITORY
//   engine verify  REPOSITORY ID
//   engine restore REPOSITORY ID TARGET [keep]      ID 0 is the latest; keep: keep_log_files
//   engine delete  REPOSITORY ID
//   engine purge   REPOSITORY KEEP
//   engine collect REPOSITORY                       GarbageCollect
//
// Built by tests/engine/conftest.py against librocksdb 7.8 or newer.

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/utilities/backup_engine.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

using Words = std::map<std::string, std::string>;

void Check(const rocksdb::Status& status, const char* what) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
    std::exit(1);
  }
}

std::unique_ptr<rocksdb::DB> OpenDatabase(const std::string& path) {
  rocksdb::Options options;
  options.disable_auto_compactions = true;
  options.avoid_flush_during_recovery = true;
  std::vector<std::string> names;
  Check(rocksdb::DB::ListColumnFamilies(options, path, &names), "list families");
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

rocksdb::BackupEngineOptions EngineOptions(const std::string& path, Words& words) {
  using Engine = rocksdb::BackupEngineOptions;
  Engine options(path);
  options.share_table_files = words["share"] != "none";
  options.share_files_with_checksum = words["share"] != "plain" && words["share"] != "none";
  if (words["naming"] == "legacy") {
    options.share_files_with_checksum_naming = Engine::kLegacyCrc32cAndFileSize;
  } else if (words["naming"] == "session") {
    options.share_files_with_checksum_naming = Engine::kUseDbSessionId;
  }
  options.schema_version = words["schema"] == "2" ? 2 : 1;
  options.backup_log_files = words["wals"] != "0";
  return options;
}

std::unique_ptr<rocksdb::BackupEngine> OpenEngine(const std::string& path, Words& words) {
  rocksdb::BackupEngine* opened = nullptr;
  Check(rocksdb::BackupEngine::Open(rocksdb::Env::Default(), EngineOptions(path, words), &opened), "open");
  return std::unique_ptr<rocksdb::BackupEngine>(opened);
}

void Backup(const std::string& repository, const std::string& database, Words& words) {
  auto db = OpenDatabase(database);
  auto engine = OpenEngine(repository, words);
  Check(engine->CreateNewBackupWithMetadata(rocksdb::CreateBackupOptions(), db.get(), words["metadata"]), "backup");
}

void List(const std::string& repository) {
  rocksdb::BackupEngineReadOnly* opened = nullptr;
  Check(rocksdb::BackupEngineReadOnly::Open(rocksdb::Env::Default(), rocksdb::BackupEngineOptions(repository), &opened),
        "open");
  std::unique_ptr<rocksdb::BackupEngineReadOnly> engine(opened);
  std::vector<rocksdb::BackupInfo> backups;
  engine->GetBackupInfo(&backups);
  for (const auto& backup : backups) {
    std::string text;
    for (const char byte : backup.app_metadata) {
      char two[3];
      std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(byte));
      text += two;
    }
    std::printf("%u %u %s\n", backup.backup_id, backup.number_files, text.empty() ? "-" : text.c_str());
  }
  std::vector<rocksdb::BackupID> corrupt;
  engine->GetCorruptedBackups(&corrupt);
  for (const auto id : corrupt) {
    std::printf("%u corrupt\n", id);
  }
}

}  // namespace

int main(int count, char** given) {
  const std::string command = count > 2 ? given[1] : "";
  const std::string repository = count > 2 ? given[2] : "";
  std::vector<std::string> plain;
  Words words;
  for (int at = 3; at < count; ++at) {
    const std::string word = given[at];
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      plain.push_back(word);
    } else {
      words[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  const auto number = static_cast<rocksdb::BackupID>(plain.empty() ? 0 : std::strtoul(plain[0].c_str(), nullptr, 10));
  if (command == "backup" && plain.size() == 1) {
    Backup(repository, plain[0], words);
  } else if (command == "list") {
    List(repository);
  } else if (command == "verify" && plain.size() == 1) {
    Check(OpenEngine(repository, words)->VerifyBackup(number, /*verify_with_checksum=*/true), "verify");
  } else if (command == "restore" && plain.size() >= 2) {
    auto engine = OpenEngine(repository, words);
    const rocksdb::RestoreOptions options(/*keep_log_files=*/plain.size() == 3);
    Check(number == 0 ? engine->RestoreDBFromLatestBackup(options, plain[1], plain[1])
                      : engine->RestoreDBFromBackup(options, number, plain[1], plain[1]),
          "restore");
  } else if (command == "delete" && plain.size() == 1) {
    Check(OpenEngine(repository, words)->DeleteBackup(number), "delete");
  } else if (command == "purge" && plain.size() == 1) {
    Check(OpenEngine(repository, words)->PurgeOldBackups(number), "purge");
  } else if (command == "collect") {
    Check(OpenEngine(repository, words)->GarbageCollect(), "collect");
  } else {
    std::fprintf(stderr, "engine backup|list|verify|restore|delete|purge|collect ...: see the head of engine.cc\n");
    return 2;
  }
  return 0;
}
