// A database with two-phase commits, for tests.
//
//   transactions prepare DB   prepares `t` (row "prepared"), then writes, flushes and switches the log three times;
//                             prints READY and keeps the database open until standard input ends
//   transactions commit  DB   opens it, commits `t`, prints the values of "prepared" and "plain"

#include <rocksdb/utilities/transaction.h>
#include <rocksdb/utilities/transaction_db.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace {

void Check(const rocksdb::Status& status, const char* what) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
    std::exit(1);
  }
}

std::unique_ptr<rocksdb::TransactionDB> Open(const std::string& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::TransactionDB* db = nullptr;
  Check(rocksdb::TransactionDB::Open(options, rocksdb::TransactionDBOptions(), path, &db), "open");
  return std::unique_ptr<rocksdb::TransactionDB>(db);
}

void Prepare(const std::string& path) {
  auto db = Open(path);
  std::unique_ptr<rocksdb::Transaction> transaction(db->BeginTransaction(rocksdb::WriteOptions()));
  Check(transaction->SetName("t"), "name");
  Check(transaction->Put("prepared", "1"), "put");
  Check(transaction->Prepare(), "prepare");
  for (int round = 0; round < 3; ++round) {
    Check(db->Put(rocksdb::WriteOptions(), "plain", std::to_string(round)), "put");
    Check(db->Flush(rocksdb::FlushOptions()), "flush");
  }
  std::printf("READY\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

void Commit(const std::string& path) {
  auto db = Open(path);
  std::unique_ptr<rocksdb::Transaction> transaction(db->GetTransactionByName("t"));
  if (!transaction) {
    std::fprintf(stderr, "the prepared transaction is lost\n");
    std::exit(1);
  }
  Check(transaction->Commit(), "commit");
  for (const char* key : {"prepared", "plain"}) {
    std::string value;
    Check(db->Get(rocksdb::ReadOptions(), key, &value), key);
    std::printf("%s %s\n", key, value.c_str());
  }
}

}  // namespace

int main(int count, char** words) {
  const std::string command = count == 3 ? words[1] : "";
  if (command == "prepare") {
    Prepare(words[2]);
  } else if (command == "commit") {
    Commit(words[2]);
  } else {
    return 2;
  }
  return 0;
}
